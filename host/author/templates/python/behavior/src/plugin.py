"""What a connection does."""

from socklet import Behavior, CloseError, Message, Refusal, Request, Settings


class Config(Settings):
    """`[plugin.{{name}}.settings]` of the host's configuration, or `socklet run --setting greeting=Hi`."""

    greeting: str = "Hello"


class Guest(Behavior):
    """One for each connection, until it closes. Its attributes are saved while it sleeps. All hooks may be left out."""

    def __init__(self) -> None:
        self.name = "stranger"
        self.messages = 0

    def on_upgrade(self, request: Request) -> None:
        self.name = request.query_value("name") or self.name
        if len(self.name) > 40:
            raise Refusal(400, "this name is too long")

    def on_open(self) -> None:
        self.send(f"{Config.greeting}, {self.name}!")

    def on_message(self, message: Message) -> None:
        if not isinstance(message, str):
            raise CloseError(1003, "text only")
        self.messages += 1
        self.send(f"{self.messages}: {message}")
