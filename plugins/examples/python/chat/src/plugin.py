"""Rooms that talk. The room is the route's capture `room`, the name is in the query: `/chat/lobby?name=ada`."""

import json

from socklet import Behavior, Ending, Message, Refusal, Request, topics


class Member(Behavior):
    def __init__(self) -> None:
        self.name = f"guest-{self.id}"
        self.room = "lobby"

    def on_upgrade(self, request: Request) -> None:
        name = request.query_value("name")
        self.name = self.name if name is None else name
        if not 1 <= len(self.name) <= 40:
            raise Refusal(400, "bad name")
        self.room = request.capture("room") or self.room

    def on_open(self) -> None:
        self.subscribe(self.topic)
        self.tell({"type": "join", "name": self.name, "members": self.members})

    def on_message(self, message: Message) -> None:
        match message:
            case "/quit":
                self.close(1000, "bye")
            case "/boom":
                raise RuntimeError("asked to fail")
            case "/later":
                self.set_timer("later", 1.0)
            case str():
                self.tell({"type": "message", "name": self.name, "text": message})

    def on_close(self, ending: Ending) -> None:
        self.tell({"type": "leave", "name": self.name, "members": self.members})

    def on_timer(self, name: str) -> None:
        self.send_json({"type": "timer"})

    @property
    def topic(self) -> str:
        return f"room:{self.room}"

    @property
    def members(self) -> int:
        return len(topics.subscribers(self.topic))

    def tell(self, event: dict[str, object]) -> None:
        topics.publish(self.topic, json.dumps(event, ensure_ascii=False, separators=(",", ":")))
