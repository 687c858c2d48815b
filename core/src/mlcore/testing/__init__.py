"""For the tests of plugins and models: a server in a process of its own, an installed plugin, and the contract.

The fixtures `server` and `plugin` are there in every pytest run that has mlcore-core installed.
"""

from mlcore.testing.contract import RuntimeContract
from mlcore.testing.process import RunningServer, start_server
from mlcore.testing.wire import call_of, response_of

__all__ = ["RunningServer", "RuntimeContract", "call_of", "response_of", "start_server"]
