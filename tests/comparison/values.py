"""What the calls say, and the rows look for."""

# The span that the caller makes, and no tracer does.
CALLER = "caller"
KEY = "sk-key-that-nobody-may-see-4711"
HEADER = "bearer-that-nobody-may-see-4712"
TEMPERATURE = 0.375
TAG, SESSION, USER = "blue-team", "session-77", "user-99"
# Calls made at once.
MANY = 10
