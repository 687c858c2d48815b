from typing import List

import numpy as np
import spacy
from mlcore import MLModel
from mlcore.codecs import decode_args


class MyKulModel(MLModel):
    async def load(self):
        self.model = spacy.load("en_core_web_md")

    @decode_args
    async def predict(self, docs: List[str]) -> np.ndarray:
        doc1 = self.model(docs[0])
        doc2 = self.model(docs[1])

        return np.array(doc1.similarity(doc2))
