/**
 * What must never reach a log, wherever it stands: values under a key that names a secret, and secrets that travel inside
 * text (passwords of URLs and connection strings, bearer tokens, JWTs, `token=…` of a query).
 *
 * pino's own redaction works on declared paths; nobody can declare the path of a password inside a driver's error, so
 * keys are judged by their name at any depth, and every text by its patterns.
 */
export const REDACTED = '[redacted]';

/** A key is sensitive when its name, without case and separators, contains one of these. */
export const SENSITIVE_WORDS: readonly string[] = [
  'authorization',
  'password',
  'passwd',
  'passphrase',
  'pwd',
  'token',
  'secret',
  'cookie',
  'apikey',
  'privatekey',
  'credential',
  'jwt',
];

const KEY_CACHE_LIMIT = 2_000;

const JWT = /eyJ[\w-]*(?:\.[\w-]*){0,2}/g;
const SCHEME = /\b(bearer|basic)\s+[\w.~+/=-]{16,}/gi;
const HEADER_LINE = /\b(authorization|(?:set-)?cookie)(["']?\s*:\s*)(?!["'])[^\r\n]+/gi;
// The authority of a URL ends at the first `/`, `?` or `#` (WHATWG URL, 4.4); its last `@` ends the credentials.
const URL_CREDENTIALS = /:\/\/([^\s:/?#@]*):[^\s/?#]*@/g;
const CUT_URL_CREDENTIALS = /:\/\/([^\s:/?#@]*):[^\s/?#]*$/;
const CUT_SCHEME = /\b(bearer|basic)\s+[\w.~+/=-]+$/i;

export class Redaction {
  private readonly words: readonly string[];
  private readonly suspicious: RegExp;
  private readonly assignment: RegExp;
  private readonly quotedMember: RegExp;
  private readonly quotedValue: RegExp;
  private readonly judged = new Map<string, boolean>();

  /** @param extra further key names, judged as the built-in ones are: by containment, without case and separators */
  constructor(extra: readonly string[] = []) {
    this.words = [...SENSITIVE_WORDS, ...extra.map(normalised).filter((word) => word !== '')];
    const words = this.words.map(withSeparators).join('|');
    // What stands before the word in a name does not matter, so it is not searched: that keeps each pattern linear.
    const name = `((?:${words})[\\w.-]{0,64})`;
    const quoted = `"(?:[^"\\\\]|\\\\.)*"?|'(?:[^'\\\\]|\\\\.)*'?`;
    this.suspicious = new RegExp(`://|eyJ|bearer|basic|${words}`, 'i');
    this.assignment = new RegExp(`${name}(\\s*=\\s*)(?:${quoted}|[^\\s&;,]+)`, 'gi');
    this.quotedMember = new RegExp(`${name}(\\\\?["']\\s*:\\s*)(?:${quoted}|[^\\s,}\\]]+)`, 'gi');
    this.quotedValue = new RegExp(`${name}(\\s*:\\s*)(?:${quoted})`, 'gi');
  }

  /** Whether the value under `key` is a secret by the name of the key. */
  isSensitive(key: string): boolean {
    let known = this.judged.get(key);
    if (known === undefined) {
      const name = normalised(key);
      known = this.words.some((word) => name.includes(word));
      // Keys come from data: without a bound, a client could grow this map.
      if (this.judged.size < KEY_CACHE_LIMIT) this.judged.set(key, known);
    }
    return known;
  }

  /**
   * `text` without the secrets inside it, at most `limit` characters long. It is cut before it is searched, so that a
   * huge text costs no more than a short one; every pattern therefore also matches a secret that the cut went through.
   */
  text(text: string, limit: number): string {
    const cut = text.length > limit;
    let clean = cut ? text.slice(0, limit) : text;
    if (this.suspicious.test(clean)) {
      clean = clean
        .replace(URL_CREDENTIALS, `://$1:${REDACTED}@`)
        .replace(this.quotedMember, `$1$2"${REDACTED}"`)
        .replace(this.quotedValue, `$1$2"${REDACTED}"`)
        .replace(this.assignment, `$1$2${REDACTED}`)
        .replace(HEADER_LINE, `$1$2${REDACTED}`)
        .replace(SCHEME, `$1 ${REDACTED}`)
        .replace(JWT, REDACTED);
      if (cut) {
        clean = clean.replace(CUT_URL_CREDENTIALS, `://$1:${REDACTED}`).replace(CUT_SCHEME, `$1 ${REDACTED}`);
      }
    }
    return cut ? `${clean}… (${text.length} characters)` : clean;
  }
}

function normalised(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}

/** The word with separators allowed inside: `apikey` also finds `api_key` and `api-key`. */
function withSeparators(word: string): string {
  return [...word].join('[-_]?');
}
