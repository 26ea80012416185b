"""Evaluate prompts: each row is a trace, and the scores are its assessments."""

import litellm
import mlflow
from mlflow.genai.scorers import scorer

mlflow.litellm.autolog()


def predict(question: str) -> str:
    response = litellm.completion(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": question}],
        mock_response=f"You asked: {question}",
    )
    return response.choices[0].message.content


@scorer
def is_polite(outputs: str) -> bool:
    return outputs.startswith("You asked")


result = mlflow.genai.evaluate(
    data=[{"inputs": {"question": "What is a span?"}}, {"inputs": {"question": "And a trace?"}}],
    predict_fn=predict,
    scorers=[is_polite],
)
print(result.metrics)
