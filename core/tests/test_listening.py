import socket

import pytest
from mlcore.errors import PortInUseError
from mlcore.listening import address_of, listen


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_free_port_is_taken_and_named(host: str) -> None:
    with listen(host, 0, "test", "") as taken:
        address = address_of(host, 0, taken)
        with socket.create_connection((host, int(address.rpartition(":")[2]))):
            pass

    assert address == (f"[{host}]" if ":" in host else host) + f":{address.rpartition(':')[2]}"


def test_a_port_that_is_taken_is_an_error_that_says_what_to_do() -> None:
    with listen("127.0.0.1", 0, "test", "") as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError) as error:
            listen("127.0.0.1", port, "second", "take another")

    assert str(error.value) == (
        f"the second transport cannot listen on 127.0.0.1:{port}: Address already in use; take another"
    )


def test_before_anybody_listens_the_address_is_that_of_the_settings() -> None:
    assert address_of("::1", 8080, None) == "[::1]:8080"
