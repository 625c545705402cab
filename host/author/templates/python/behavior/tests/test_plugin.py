"""Runs the plugin without WebAssembly. `socklet test` runs the component."""

import unittest

from socklet.testing import Err, Host

from plugin import Guest


class GuestTest(unittest.TestCase):
    def test_greets_and_counts_what_it_is_told(self) -> None:
        host = Host(Guest, {"greeting": "Hi"})
        ada, bob = host.connect("/?name=Ada"), host.connect()
        self.assertEqual(ada.received, ["Hi, Ada!"])
        self.assertEqual(ada.send("one"), ["1: one"])
        self.assertEqual(bob.send("one"), ["1: one"])
        host.hibernate()
        self.assertEqual(ada.send("two"), ["2: two"])

    def test_takes_text_only(self) -> None:
        client = Host(Guest).connect()
        client.send(b"\1")
        self.assertEqual(client.closed, (1003, "text only"))

    def test_refuses_long_names(self) -> None:
        with self.assertRaises(Err) as refused:
            Host(Guest).connect("/?name=" + "x" * 41)
        self.assertEqual(refused.exception.value.status, 400)
