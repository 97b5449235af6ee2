"""A workflow that imports a module nobody said is shared."""

from temporalio import workflow
from tests.integration.temporalkit.unshared_module import WORD


@workflow.defn
class Careless:
    """Uses it."""

    @workflow.run
    async def run(self) -> str:
        return WORD
