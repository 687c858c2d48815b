from mlcore import MLModel, decode_args


class Greeter(MLModel):
    """Greets everybody alike."""

    @decode_args
    def predict(self, name: list[str]) -> list[str]:
        return [f"Hello {each}" for each in name]
