// Makes keys and JSON Web Tokens by node's own cryptography, which is OpenSSL's: nothing that the server or a plugin uses.
//
//     node tokens.mjs ISSUER AUDIENCE SECONDS
//
// Prints one JSON object: `secret`; `keys`, a JSON Web Key Set; `good`, tokens by algorithm; `bad`, tokens by what is wrong with them;
// `short`, a token that ends after SECONDS.

import { createHmac, constants, generateKeyPairSync, randomBytes, sign } from "node:crypto";

const [issuer, audience, seconds] = process.argv.slice(2);
if (!seconds) {
  console.error("usage: tokens.mjs ISSUER AUDIENCE SECONDS");
  process.exit(2);
}

const now = Math.floor(Date.now() / 1000);
const encode = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const claims = (more = {}) => ({
  sub: "ada", iss: issuer, aud: ["other", audience], iat: now, exp: now + 3600, realm: { roles: ["admin", "user"] }, plan: 7, ...more,
});
const token = (header, body, signed) => {
  const text = `${encode(header)}.${encode(body)}`;
  return `${text}.${signed(Buffer.from(text)).toString("base64url")}`;
};

const secret = randomBytes(48).toString("base64url");
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const other = generateKeyPairSync("rsa", { modulusLength: 2048 });
const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
const ed = generateKeyPairSync("ed25519");
const jwk = (pair, kid, more = {}) => ({ ...pair.publicKey.export({ format: "jwk" }), kid, ...more });

const hmac = (bits, key) => (text) => createHmac(`sha${bits}`, key).update(text).digest();
const pkcs = (bits, key = rsa) => (text) => sign(`sha${bits}`, text, key.privateKey);
const pss = (bits) => (text) =>
  sign(`sha${bits}`, text, {
    key: rsa.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  });
const ecdsa = (bits, pair) => (text) => sign(`sha${bits}`, text, { key: pair.privateKey, dsaEncoding: "ieee-p1363" });
const eddsa = (text) => sign(null, text, ed.privateKey);

const ways = {
  RS256: ["rsa", pkcs(256)], RS384: ["rsa", pkcs(384)], RS512: ["rsa", pkcs(512)],
  PS256: ["rsa", pss(256)], PS384: ["rsa", pss(384)], PS512: ["rsa", pss(512)],
  ES256: ["p256", ecdsa(256, p256)], ES384: ["p384", ecdsa(384, p384)], EdDSA: ["ed", eddsa],
};
const good = {};
for (const [alg, [kid, signed]] of Object.entries(ways)) good[alg] = token({ alg, kid, typ: "JWT" }, claims(), signed);
for (const bits of [256, 384, 512]) good[`HS${bits}`] = token({ alg: `HS${bits}` }, claims(), hmac(bits, secret));

const signed = (more, header = {}) => token({ alg: "ES256", kid: "p256", ...header }, claims(more), ecdsa(256, p256));
const [head, body, signature] = good.ES256.split(".");
const pem = rsa.publicKey.export({ format: "pem", type: "spki" });
const bad = {
  "no algorithm": `${encode({ alg: "none" })}.${encode(claims())}.`,
  "no algorithm, with its key": `${encode({ alg: "none", kid: "p256" })}.${encode(claims())}.${signature}`,
  "the public key as a secret": token({ alg: "HS256", kid: "rsa" }, claims(), hmac(256, pem)),
  "the modulus as a secret": token({ alg: "HS256", kid: "rsa" }, claims(), hmac(256, Buffer.from(jwk(rsa).n, "base64url"))),
  "a key for something else": token({ alg: "RS256", kid: "p256" }, claims(), pkcs(256)),
  "an encryption key": token({ alg: "RS256", kid: "enc" }, claims(), pkcs(256, other)),
  "an algorithm that its key is not for": token({ alg: "RS512", kid: "only" }, claims(), pkcs(512)),
  "another key": token({ alg: "RS256", kid: "rsa" }, claims(), pkcs(256, other)),
  "a key of its own": token({ alg: "RS256", jwk: jwk(other, "own") }, claims(), pkcs(256, other)),
  "an unknown key": token({ alg: "RS256", kid: "nobody" }, claims(), pkcs(256)),
  "other claims": `${head}.${encode(claims({ sub: "root" }))}.${signature}`,
  "no signature": `${head}.${body}.`,
  "a cut signature": `${head}.${body}.${signature.slice(0, -8)}`,
  "an extension": signed({}, { crit: ["b64"], b64: false }),
  "its end behind it": signed({ exp: now - 600 }),
  "no end": signed({ exp: undefined }),
  "its beginning before it": signed({ nbf: now + 600 }),
  "another audience": signed({ aud: "other" }),
  "no audience": signed({ aud: undefined }),
  "another issuer": signed({ iss: "https://elsewhere.example" }),
  "no subject": signed({ sub: undefined }),
  "an empty subject": signed({ sub: "" }),
  "a long subject": signed({ sub: "x".repeat(256) }),
  "an end that is no number": signed({ exp: "tomorrow" }),
  "no token": "token",
  "nothing in it": "..",
};
const keys = [
  jwk(rsa, "rsa"), jwk(p256, "p256", { alg: "ES256", use: "sig" }), jwk(p384, "p384"), jwk(ed, "ed"),
  jwk(other, "enc", { use: "enc" }), jwk(rsa, "only", { alg: "RS256" }), { kty: "unheard-of", kid: "x" },
];
console.log(JSON.stringify({ secret, keys: { keys }, good, bad, short: signed({ exp: now + Number(seconds) }) }));
