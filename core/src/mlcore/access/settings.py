"""The setting `auth`: who is known. Nothing of it is ever shown, not even in an error."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from mlcore.access.scopes import NAMES, OF_MODEL

if TYPE_CHECKING:
    from typing import Self

_SHA256 = re.compile("[0-9a-f]{64}")


def _hash(text: str) -> str:
    if not _SHA256.fullmatch(text.lower()):
        raise ValueError("expected 64 hexadecimal digits, the SHA-256 of a key; `mlcore key` makes both")
    return text.lower()


def _scope(text: str) -> str:
    if text not in NAMES and not (text.startswith(OF_MODEL) and len(text) > len(OF_MODEL)):
        raise ValueError(f"expected {', '.join(NAMES)} or {OF_MODEL}MODEL")
    return text


class ClientSettings(BaseModel):
    """A client, and what it may do."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(
        min_length=1, max_length=64, pattern=r"^[^\s\x00-\x1f\x7f]+$", description="Who it is; errors name it."
    )
    scopes: list[Annotated[str, AfterValidator(_scope)]] = Field(
        min_length=1,
        description="What it may do: `infer`, `infer:MODEL` for one model, `metadata`, `repository`, `metrics`, or "
        "`admin`, which is all of them.",
    )
    rate: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Requests to models that may begin in a second, on average; any number if absent.",
    )
    concurrency: int | None = Field(
        None, ge=1, description="Requests to models that may be under way at once; any number if absent."
    )


class ApiKeySettings(ClientSettings):
    """One key, and what whoever has it may do."""

    sha256: Annotated[str, AfterValidator(_hash)] = Field(
        repr=False, description="The SHA-256 of the key, as `mlcore key` prints it."
    )


class CertificateSettings(ClientSettings):
    """One certificate, and what whoever has it may do."""

    subject: str = Field(
        pattern="^(CN|DNS|URI|email)=.",
        description="A name in the certificate: `CN=`, `DNS=`, `URI=` or `email=` and the name.",
    )


class AuthSettings(BaseModel):
    """Who is known. Whoever is not gets no answer but that of the server's health."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    api_keys: list[ApiKeySettings] = Field(
        [],
        repr=False,
        description="Keys that clients send as `Authorization: Bearer KEY`. Several of one name are one client that is "
        "changing its key.",
    )
    certificates: list[CertificateSettings] = Field(
        [], description="Certificates that clients show over REST and gRPC, of an authority in `tls_client_ca`."
    )

    @model_validator(mode="after")
    def _means_one_thing(self) -> Self:
        by_name: dict[str, ApiKeySettings] = {}
        for key in self.api_keys:
            first = by_name.setdefault(key.name, key)
            if key.model_copy(update={"sha256": first.sha256}) != first:
                raise ValueError(f"api_keys: those of the name {key.name} differ in more than sha256; make them equal")
        if len({key.sha256 for key in self.api_keys}) < len(self.api_keys):
            raise ValueError("api_keys: the same sha256 stands there twice; each key is one client's")
        names = [*by_name, *(known.name for known in self.certificates)]
        subjects = [known.subject for known in self.certificates]
        for what, texts in (("name", names), ("subject", subjects)):
            if twice := next((text for text in texts if texts.count(text) > 1), None):
                raise ValueError(f"certificates: the {what} {twice} stands there twice; each is one client's")
        return self
