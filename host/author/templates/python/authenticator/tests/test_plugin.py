"""Runs the plugin without WebAssembly. `socklet test` runs the component."""

import base64
import unittest
from typing import Any

from socklet.testing import Host

from plugin import Users

HOST = Host(Users, {"users": {"ada": "lovelace"}})


def ask(credentials: str) -> Any:
    encoded = base64.b64encode(credentials.encode()).decode()
    return HOST.authenticate(headers={"authorization": f"Basic {encoded}"})


class UsersTest(unittest.TestCase):
    def test_knows_its_users(self) -> None:
        verdict = ask("ada:lovelace")
        self.assertEqual((verdict.kind, verdict.value.subject), ("grant", "ada"))

    def test_denies_wrong_passwords(self) -> None:
        for wrong in ("ada:byron", "bob:", "ada:", "bob:lovelace"):
            verdict = ask(wrong)
            self.assertEqual((verdict.kind, verdict.value.status), ("deny", 401))

    def test_leaves_everybody_else_to_the_next_authenticator(self) -> None:
        self.assertEqual(HOST.authenticate().kind, "abstain")
