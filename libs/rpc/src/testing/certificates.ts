import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';

/** A certificate and its key in PEM. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface TestAuthority extends TestCertificate {
  /** A certificate for these host names, good for a day, for servers and clients alike. */
  issue(...names: string[]): TestCertificate;
}

const OID = {
  commonName: '550403',
  ecdsaWithSha256: '2a8648ce3d040302',
  basicConstraints: '551d13',
  subjectAltName: '551d11',
  subjectKeyIdentifier: '551d0e',
} as const;
const DAY_MS = 86_400_000;

/**
 * An authority for tests, without a program that would have to be there: certificates of RFC 5280 by P-256, written in DER
 * by hand. Never for anything but tests.
 */
export function testAuthority(name = 'test authority'): TestAuthority {
  const keys = newKeys();
  const cert = certificate({
    subject: name,
    issuer: name,
    key: keys.publicKey,
    signer: keys.privateKey,
    ca: true,
  });
  return {
    cert,
    key: pemOf(keys.privateKey),
    issue: (...names) => {
      const own = newKeys();
      const subject = names[0] ?? 'nobody';
      return {
        cert: certificate({ subject, issuer: name, key: own.publicKey, signer: keys.privateKey, names }),
        key: pemOf(own.privateKey),
      };
    },
  };
}

interface Request {
  readonly subject: string;
  readonly issuer: string;
  readonly key: KeyObject;
  readonly signer: KeyObject;
  readonly ca?: boolean;
  readonly names?: readonly string[];
}

function certificate({ subject, issuer, key, signer, ca = false, names = [] }: Request): string {
  const spki = key.export({ type: 'spki', format: 'der' });
  const extensions = [
    extension(OID.basicConstraints, sequence(ca ? tag(0x01, Buffer.from([0xff])) : Buffer.alloc(0))),
    extension(OID.subjectKeyIdentifier, tag(0x04, createHash('sha1').update(spki).digest())),
    ...(names.length === 0
      ? []
      : [extension(OID.subjectAltName, sequence(...names.map((name) => tag(0x82, Buffer.from(name)))))]),
  ];
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const body = sequence(
    tag(0xa0, tag(0x02, Buffer.from([2]))),
    tag(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    algorithm,
    nameOf(issuer),
    sequence(time(Date.now() - DAY_MS), time(Date.now() + DAY_MS)),
    nameOf(subject),
    spki,
    tag(0xa3, sequence(...extensions)),
  );
  const signature = sign('sha256', body, signer);
  const der = sequence(body, algorithm, tag(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function newKeys() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function tag(type: number, content: Buffer): Buffer {
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([type, ...size]), content]);
}

function sequence(...parts: Buffer[]): Buffer {
  return tag(0x30, Buffer.concat(parts));
}

function oid(hex: string): Buffer {
  return tag(0x06, Buffer.from(hex, 'hex'));
}

function nameOf(text: string): Buffer {
  return sequence(tag(0x31, sequence(oid(OID.commonName), tag(0x0c, Buffer.from(text)))));
}

function time(at: number): Buffer {
  const text = new Date(at).toISOString().replace(/[-:T]|\.\d+/g, '');
  return tag(0x17, Buffer.from(text.slice(2)));
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(oid(id), tag(0x04, value));
}
