"""Checks the verifier with the test vector of the Standard Webhooks libraries."""

import unittest

from standardwebhooks import Forged, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_bmV3IG5ldyBuZXcgbmV3IG5ldyBuZXcgbmV3IG5ldw=="
BODY = b'{"test": 2432232314}'
NOW = 1614265330
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(NOW),
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


class Verify(unittest.TestCase):
    def test_vector(self):
        verify([SECRET], HEADERS, BODY, NOW)

    def test_rotation(self):
        verify([OTHER, SECRET], HEADERS, BODY, NOW)
        several = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= v2,x " + HEADERS["webhook-signature"]
        verify([SECRET], {**HEADERS, "webhook-signature": several}, BODY, NOW)

    def test_forged(self):
        for name, change in {
            "another secret": {"secrets": [OTHER]},
            "no secret": {"secrets": []},
            "another body": {"body": BODY + b" "},
            "old": {"now": NOW + 301},
            "from the future": {"now": NOW - 301},
            "another ID": {"headers": {**HEADERS, "webhook-id": "msg_x"}},
            "another version": {"headers": {**HEADERS, "webhook-signature": HEADERS["webhook-signature"].replace("v1", "v2")}},
            "a part": {"headers": {**HEADERS, "webhook-signature": "v1,"}},
            "not ASCII": {"headers": {**HEADERS, "webhook-signature": "v1,é"}},
            "no number": {"headers": {**HEADERS, "webhook-timestamp": "now"}},
            "no signature": {"headers": {k: v for k, v in HEADERS.items() if k != "webhook-signature"}},
        }.items():
            with self.subTest(name), self.assertRaises(Forged):
                verify(**{"secrets": [SECRET], "headers": HEADERS, "body": BODY, "now": NOW, **change})


if __name__ == "__main__":
    unittest.main()
