"""The values in the calls, which the rows look for."""

# The span that the caller makes, and no tracer.
CALLER = "caller"
KEY = "sk-key-that-nobody-may-see-4711"
HEADER = "bearer-that-nobody-may-see-4712"
TEMPERATURE = 0.375
TAG, SESSION, USER = "blue-team", "session-77", "user-99"
# The number of concurrent calls.
MANY = 10
