"""A stand-in for Algolia's Ingestion API, so that Runbell can be run and tested anywhere."""

import time
from collections.abc import Callable

from local.algolia.application import Application
from local.algolia.record import GivenAnswer
from local.faults import Faults
from local.http_server import Answer, LoopbackServer, Request


class AlgoliaStandIn(LoopbackServer):
    """Serves the Ingestion API from memory while its context is open.

    Runs are played from scripts by ``clock``, in seconds since 1970, or put word for
    word; ``faults`` makes it answer wrongly on purpose. It speaks
    https://www.algolia.com/doc/rest-api/ingestion over plain HTTP, on loopback only.
    It has one application from the start, for which its own methods stand, and as many
    more as are added. Any thread may call any method.
    """

    def __init__(
        self,
        *,
        app_id: str = "STANDIN001",
        api_key: str = "stand-in-key",
        port: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        first = Application(app_id, api_key, clock, self._given)
        super().__init__(self._answer, first.faults, port=port, clock=clock)
        self.on_answer: Callable[[GivenAnswer], None] | None = None
        """Called with each answer of status 200, of any application, just before it goes out
        whole to a waiting client. ``set().add`` collects the distinct ones."""
        self._first = first
        self._applications = {app_id: first}
        self.play = first.play
        self.put_run = first.put_run
        self.put_event = first.put_event
        self.put_task = first.put_task
        self.put_source = first.put_source
        self.put_destination = first.put_destination
        self.script_task = first.script_task
        self.started = first.started
        self.rotate_key = first.rotate_key
        self.shown = first.shown

    @property
    def app_id(self) -> str:
        """The first application's ID."""
        return self._first.app_id

    @property
    def api_key(self) -> str:
        """The first application's key."""
        return self._first.api_key

    def application(self, app_id: str, api_key: str) -> Application:
        """The application with this ID; one that is new is added, with this key."""
        added = Application(app_id, api_key, self._clock, self._given)
        return self._applications.setdefault(app_id, added)

    def faults_for(self, request: Request) -> Faults:
        """The application's own faults; a request for none of them meets the first one's."""
        application = self._asked_of(request)
        return application.faults if application else self.faults

    def _answer(self, request: Request) -> Answer:
        application = self._asked_of(request)
        if application and application.api_key == request.headers.get("x-algolia-api-key"):
            return application.answer(request)
        return Answer.of_json(403, {"message": "Invalid Application-Id or API-Key"})

    def _asked_of(self, request: Request) -> Application | None:
        return self._applications.get(request.headers.get("x-algolia-application-id", ""))

    def _given(self, answer: GivenAnswer) -> None:
        if self.on_answer:
            self.on_answer(answer)
