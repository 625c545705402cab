"""plugins/sdk-python, through its host for tests."""

import unittest
from typing import Any, Literal

from socklet import Abstain, Acceptance, Authenticator, Behavior, CloseError, Connection, Deny, Disposition, Ending, Frame, Grant
from socklet import Message, Refusal, Request, Settings, Verdict, connections, percent_decode, same, timers, topics
from socklet import _settings
from socklet.testing import Err, Host


class BehaviorTest(unittest.TestCase):
    def test_every_connection_has_an_object_until_it_closes(self) -> None:
        seen = []

        class Plugin(Behavior):
            def __init__(self) -> None:
                self.count = 0

            def on_message(self, message: Message) -> None:
                self.count += 1
                self.send(str(self.count))

            def __bool__(self) -> bool:
                return False

            def on_close(self, ending: Ending) -> None:
                seen.append((self.count, ending.code, ending.reason, ending.cause))

        host = Host(Plugin)
        one, other = host.connect(), host.connect()
        self.assertEqual([one.send("x"), one.send("x"), other.send("x")], [["1"], ["2"], ["1"]])
        one.close(4000, "bye")
        self.assertEqual(seen, [(2, 4000, "bye", "client")])

    def test_errors_become_close_frames(self) -> None:
        class Plugin(Behavior):
            def on_message(self, message: Message) -> None:
                if message == "own":
                    raise CloseError(4001, "é" * 100)
                raise KeyError("secret")

        host = Host(Plugin)
        own, other = host.connect(), host.connect()
        own.send("own")
        other.send("x")
        self.assertEqual([own.closed, other.closed], [(4001, "é" * 61), (1011, "internal error")])
        self.assertRegex(host.log[-1][1], "^on_message failed: 'secret' Traceback .* KeyError: 'secret'$")
        self.assertRaises(ValueError, CloseError, 1005)

    def test_an_upgrade_is_refused_with_a_response(self) -> None:
        class Plugin(Behavior):
            def on_upgrade(self, request: Request) -> Acceptance | None:
                if request.path == "/refused":
                    raise Refusal(403, "no", {"X-Why": "because"})
                if request.path == "/failed":
                    raise ZeroDivisionError
                return Acceptance(request.subprotocols[1], {"X-A": "1"})

        host = Host(Plugin)

        def refused(url: str) -> Any:
            with self.assertRaises(Err) as raised:
                host.connect(url)
            return raised.exception.value

        response = refused("/refused")
        self.assertEqual((response.status, response.body), (403, b"no"))
        headers = [(field.name, field.value) for field in response.headers]
        self.assertEqual(headers, [("x-why", "because"), ("content-type", "text/plain; charset=utf-8")])
        self.assertEqual(refused("/failed").status, 500)
        accepted = host.connect(headers={"Sec-WebSocket-Protocol": "a, b"}).accepted
        self.assertEqual((accepted.subprotocol, accepted.headers[0].name), ("b", "x-a"))

    def test_state_carries_attributes_timers_and_the_instance_over(self) -> None:
        class Plugin(Behavior):
            total = 0

            def __init__(self) -> None:
                self.at: list[str] = []

            def on_message(self, message: Message) -> None:
                Plugin.total += 1
                if message == "bad":
                    self.at = {1, 2}  # type: ignore[assignment]
                self.set_timer(str(message), 1)
                timers.set("all", 5)

            def on_timer(self, name: str) -> None:
                self.at.append(name)
                self.send_json(self.at)

            @classmethod
            def on_instance_timer(cls, name: str) -> None:
                connections.send_all(f"{name} {cls.total}")

            @classmethod
            def save_instance(cls) -> Any:
                return cls.total

            @classmethod
            def load_instance(cls, saved: Any) -> None:
                cls.total = saved + 100

        host = Host(Plugin)
        one, other = host.connect(), host.connect()
        one.send("a")
        host.hibernate()
        host.advance(0.999)
        self.assertEqual(one.received, [])
        host.advance(0.001)
        self.assertEqual(one.received, ['["a"]'])
        one.send("late")
        one.close()
        host.advance(5)
        self.assertEqual(len(one.received), 1, "timers go with their connection")
        self.assertEqual(other.received, ["all 102"])
        other.send("bad")
        with self.assertRaises(Err) as raised:
            host.hibernate()
        self.assertEqual(raised.exception.value, "TypeError: save.at is a set, which JSON does not have; override save and load")

    def test_messages_topics_attachments_and_frames_reach_the_host(self) -> None:
        class Plugin(Behavior):
            def on_open(self) -> None:
                self.subscribe("all")

            def on_message(self, message: Message) -> None:
                if message == "attach":
                    self.attached = {"n": 1}
                elif message == "show":
                    self.send_json(self.attached)
                elif message == "ping":
                    self.send_frame("ping", True, b"1")
                elif message == "gone":
                    connections.handle(99).send("x")
                else:
                    topics.publish("all", message, self)

            def on_frame(self, frame: Frame) -> Disposition:
                return "skip" if frame.opcode == "ping" else "process"

        host = Host(Plugin)
        one, other = host.connect(), host.connect()
        one.send(b"\1")
        self.assertEqual((one.received, other.received), ([], [b"\1"]))
        self.assertEqual([one.send("show"), one.send("attach"), one.send("show")], [["null"], [], ['{"n":1}']])
        one.send("ping")
        self.assertEqual(one.frames, [("ping", True, b"1")])
        one.send("gone")
        self.assertEqual(one.closed, (1011, "internal error"))
        self.assertIn("nothing was sent: unknown", host.log[-1][1])
        self.assertEqual(connections.handle(1), connections.handle(1))
        self.assertIsInstance(connections.handle(1), Connection)

    def test_connections_that_never_opened_are_forgotten(self) -> None:
        class Plugin(Behavior):
            def save(self) -> Any:
                saved.append(self.id)
                return {}

        saved: list[int] = []
        host = Host(Plugin)
        for _ in range(100):
            host.vanish()
        host.connect()
        host.hibernate()
        self.assertLessEqual(len(saved), 18)

    def test_a_hook_that_is_never_called_is_a_mistake(self) -> None:
        from socklet._serve import BehaviorExports

        class Plugin(Behavior):
            def on_timer(self, name: str) -> None: ...

        self.assertRaisesRegex(TypeError, 'on_timer is never called: add "timer-events"', BehaviorExports, Plugin, [])
        self.assertRaisesRegex(TypeError, "exports frames", BehaviorExports, Plugin, ["frames", "timer-events"])


class AuthenticatorTest(unittest.TestCase):
    def ask(self, look: Any, **request: Any) -> Any:
        seen = []

        class Plugin(Authenticator):
            def authenticate(self, request: Request) -> Verdict:
                seen.append(look(request))
                return Abstain()

        Host(Plugin).authenticate(**request)
        return seen[0]

    def test_credentials_are_found(self) -> None:
        header = lambda value: {"headers": {"authorization": value}}  # noqa: E731
        self.assertEqual(self.ask(Request.bearer, **header("bearer  a.b")), "a.b")
        self.assertIsNone(self.ask(Request.bearer, **header("Basic a.b")))
        self.assertIsNone(self.ask(Request.bearer))
        self.assertEqual(self.ask(Request.basic, **header("Basic YTpiOmM=")), ("a", "b:c"))
        self.assertIsNone(self.ask(Request.basic, **header("Basic !")))
        self.assertIsNone(self.ask(Request.basic, **header("Basic YWI=")))
        cookies = {"headers": {"cookie": 'a=1; b="2 3"; c'}}
        found = [self.ask(lambda request: request.cookie(name), **cookies) for name in "abc"]
        self.assertEqual(found, ["1", "2 3", None])

    def test_queries_are_decoded(self) -> None:
        value = lambda query, name: self.ask(lambda request: request.query_value(name), url=f"/?{query}")  # noqa: E731
        self.assertEqual(value("a=1&b=2&a=3", "a"), "1")
        self.assertEqual(value("n%61me=x+%C3%A9", "name"), "x é")
        self.assertEqual(value("flag", "flag"), "")
        self.assertIsNone(value("", ""))
        self.assertEqual(percent_decode("100%zz%ff"), "100%zz\ufffd")

    def test_verdicts_are_what_the_host_takes(self) -> None:
        def verdict(said: Any) -> Any:
            class Plugin(Authenticator):
                def authenticate(self, request: Request) -> Verdict:
                    return said()

            return Host(Plugin).authenticate()

        granted = verdict(lambda: Grant("ada", {"Via": "x"}, 1.5)).value
        self.assertEqual((granted.subject, granted.attributes, granted.expires_at), ("ada", [("Via", "x")], 1))
        self.assertEqual(verdict(Abstain).kind, "abstain")
        self.assertEqual(verdict(lambda: Deny(401, "no")).value.status, 401)
        for wrong in (lambda: None, lambda: Deny(200), lambda: {}["x"]):
            self.assertEqual(verdict(wrong).value.status, 500)

    def test_secrets_are_compared(self) -> None:
        self.assertTrue(same("é", "é") and not same("a", "b"))


class SettingsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.addCleanup(_settings.forget)

    def read(self, **given: Any) -> Any:
        class Config(Settings):
            name: str
            limit: int = 3
            users: dict[str, list[int]] = {}
            mode: Literal["fast", "slow"] = "slow"
            more: bool | None = None

        class Plugin(Behavior):
            def on_open(self) -> None:
                self.send_json([Config.name, Config.limit, Config.users, Config.mode, Config.more])

        host = Host(Plugin, given)
        try:
            return host.connect().received[0]
        except Err:
            return host.log[0][1]
        finally:
            _settings.forget()

    def test_are_typed(self) -> None:
        self.assertEqual(self.read(name="42"), '["42",3,{},"slow",null]')
        every = self.read(name="n", limit=9, users={"ann": [1]}, mode="fast", more=True)
        self.assertEqual(every, '["n",9,{"ann":[1]},"fast",true]')

    def test_each_that_is_wrong_is_named(self) -> None:
        both = self.read(limit="x")
        self.assertIn("setting name: missing", both)
        self.assertIn("setting limit: expected a whole number, got 'x'", both)
        self.assertIn("setting nmae: unknown, the known ones are name, limit", self.read(name="n", nmae="x"))
        self.assertIn("setting mode: expected one of fast, slow", self.read(name="n", mode="warp"))
        self.assertIn('setting users: expected a whole number, got "x"', self.read(name="n", users={"a": ["x"]}))
        self.assertIn("setting limit: expected a whole number, got true", self.read(name="n", limit=True))

    def test_a_kind_that_no_setting_can_have_is_a_mistake(self) -> None:
        with self.assertRaises(TypeError):

            class Config(Settings):
                wrong: bytes
