"""What botocore reads of the services that Runbell asks, and nothing beyond."""

from __future__ import annotations

import os
from typing import Any

from botocore.loaders import Loader

SERVICES = ["dynamodb", "lambda", "scheduler", "secretsmanager", "sqs"]
"""The services of which there are clients."""

NO_ENDPOINTS = {"version": 3, "partitions": []}


class Models(Loader):
    """Botocore's loader, without two things that take half of what the first client costs.

    It neither looks through the folders of all the other services, nor reads where each of them is
    in each region: a megabyte of JSON. Each service's own rules say where it is, and botocore asks
    that list first for what the rules then overrule.
    """

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 (botocore's)
        """The services of which there are models."""
        return SERVICES

    def load_data_with_path(self, name: str) -> tuple[Any, str]:
        """Read a file of botocore's own, by its name without extension."""
        if name == "endpoints":
            return NO_ENDPOINTS, os.path.join(self.BUILTIN_DATA_PATH, name)  # noqa: PTH118 (a text)
        data: tuple[Any, str] = super().load_data_with_path(name)
        return data
