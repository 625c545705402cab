"""Sends every message back as it came."""

from socklet import Behavior, Message


class Echo(Behavior):
    def on_message(self, message: Message) -> None:
        self.send(message)
