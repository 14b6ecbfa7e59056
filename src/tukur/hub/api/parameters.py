"""Query parameters that several routes share."""

from typing import Annotated

from litestar.params import QueryParameter

Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="Maximum number of results")]
ExactText = Annotated[str, QueryParameter(max_length=255, description="Exact match")]
