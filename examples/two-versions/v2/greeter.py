from mlcore import MLModel, decode_args


class Greeter(MLModel):
    """Greets with the word that is sent along, if one is."""

    @decode_args
    def predict(self, name: list[str], word: list[str] | None = None) -> list[str]:
        return [f"{word[0] if word else 'Hello'}, {each}!" for each in name]
