"""Counts the messages of each connection. The counts survive hibernation and a new version of the plugin."""

from socklet import Behavior, CloseError, Message, Settings


class Config(Settings):
    start: int = 0


class Counter(Behavior):
    def __init__(self) -> None:
        self.count = 0

    def on_message(self, message: Message) -> None:
        if not isinstance(message, str):
            raise CloseError(1003, "text only")
        self.count = 0 if message == "reset" else self.count + 1
        self.send(str(Config.start + self.count))
