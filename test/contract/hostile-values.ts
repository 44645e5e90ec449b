/**
 * Input that breaks sites, as it goes over the wire: JSON as text, because a serializer would mend some of it, and URL parts
 * already encoded, or wrongly encoded on purpose.
 */
export interface Hostile {
  /** For messages; the value may have megabytes. */
  readonly name: string;
  readonly text: string;
  /** Whether no right site takes it here; otherwise it may be taken or refused, and must do no harm. */
  readonly refused: boolean;
}

const refused = (name: string, text: string): Hostile => ({ name, text, refused: true });
const perhaps = (name: string, text: string): Hostile => ({ name, text, refused: false });

const DEEP = 10_000;
export const deepArrays = `${'['.repeat(DEEP)}${']'.repeat(DEEP)}`;
export const deepObjects = `${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`;
const manyTags = `[${Array.from({ length: 10_000 }, (_, index) => `"tag${index}"`).join(',')}]`;

const notAString = [
  refused('a number', '7'),
  refused('zero', '0'),
  refused('a negative fraction', '-0.5'),
  refused('a number beyond a double', '1e400'),
  refused('true', 'true'),
  refused('false', 'false'),
  refused('an empty array', '[]'),
  refused('an array with the text', '["some text"]'),
  refused('an empty object', '{}'),
  refused('an object that looks like a string', '{"length":9,"toString":"x","valueOf":1}'),
  refused('an object with __proto__', '{"__proto__":{"polluted":true}}'),
  refused('10,000 arrays deep', deepArrays),
  refused('10,000 objects deep', deepObjects),
];

const notText = [
  refused('U+0000', '"\\u0000"'),
  refused('U+0000 in text', '"some\\u0000text"'),
  refused('a lone high surrogate', '"\\ud83d"'),
  refused('a lone low surrogate in text', '"some\\udc26text"'),
  refused('surrogates in the wrong order', '"\\udc26\\ud83d"'),
];

const strange = [
  perhaps('emoji', '"\u{1f426}\u{1f3fd}\u200d\u{1faba}"'),
  perhaps('right-to-left text', '"\u05d0\u05d1 \u0645\u0631\u062d\u0628\u0627"'),
  perhaps('a bidirectional override', '"\u202egnp.exe"'),
  perhaps('text that slugs to nothing', '"!?…"'),
  perhaps('combining marks', `"Z${'\u0351'.repeat(200)}"`),
  perhaps('control characters', '"\\u0001\\u001b[31m\\u007f\\r\\n"'),
  perhaps('the name __proto__', '"__proto__"'),
  perhaps('the name constructor', '"constructor"'),
  perhaps('SQL', '"\'; DROP TABLE users; --"'),
  perhaps('a pattern', '"%_\\\\"'),
  perhaps('100,000 characters', `"${'x'.repeat(100_000)}"`),
  perhaps('an escaped null', '"%00"'),
  perhaps('non-characters', '"\ufffe\uffff"'),
  perhaps('path steps', '"../../etc/passwd"'),
];

/** For a field that is a string. */
export const forText: readonly Hostile[] = [...notAString, ...notText, ...strange];
/** For a field that must be there and not empty, besides. */
export const forFilledText: readonly Hostile[] = [
  refused('null', 'null'),
  refused('the empty string', '""'),
  refused('blanks', '" \\t\\n\\u00a0"'),
];
/** For a field that may be null, besides. */
export const forNullableText: readonly Hostile[] = [
  perhaps('null', 'null'),
  perhaps('the empty string', '""'),
];

/** For a list of strings. */
export const forTextList: readonly Hostile[] = [
  ...notAString.filter(({ name }) => !['an empty array', 'an array with the text'].includes(name)),
  refused('a string', '"tag"'),
  refused('a number within', '["tag",7]'),
  refused('null within', '["tag",null]'),
  refused('a list within', '["tag",["tag"]]'),
  refused('an object within', '[{"0":"tag"}]'),
  refused('an object with indices', '{"0":"tag","length":1}'),
  refused('U+0000 within', '["tag","a\\u0000b"]'),
  refused('a lone surrogate within', '["\\ud800"]'),
  refused('10,000 tags', manyTags),
  perhaps('null', 'null'),
  perhaps('an empty list', '[]'),
  perhaps('the same tag many times', `[${'"same",'.repeat(50)}"same"]`),
  perhaps('an empty tag', '[""]'),
  perhaps('a long tag', `["${'x'.repeat(10_000)}"]`),
  perhaps('the tag __proto__', '["__proto__","constructor","toString"]'),
  perhaps('emoji and right-to-left tags', '["\u{1faba}","\u05d0\u05d1"]'),
];

/** In place of the object that holds the fields. */
export const forObject: readonly Hostile[] = [
  refused('null', 'null'),
  refused('a number', '7'),
  refused('a string', '"text"'),
  refused('an array', '[]'),
  refused('an array of objects', '[{}]'),
  refused('an array of many', `[${'{},'.repeat(10_000)}{}]`),
  refused('10,000 arrays deep', deepArrays),
  refused('10,000 objects deep', deepObjects),
];

/** In place of the whole body, whatever the operation. */
export const forBody: readonly Hostile[] = [
  refused('nothing', ''),
  refused('null', 'null'),
  refused('a number', '7'),
  refused('a string', '"text"'),
  refused('an array', '[]'),
  refused('an empty object', '{}'),
  refused('an array of objects', '[{"user":{}}]'),
  refused('blanks', ' \n '),
  refused('an open brace', '{'),
  refused('half a document', '{"user":{"email":"a@'),
  refused('a comma too many', '{"user":{},}'),
  refused('single quotes', "{'user':{}}"),
  refused('NaN', '{"user":NaN}'),
  refused('undefined', 'undefined'),
  refused('two documents', '{}{}'),
  refused('a byte order mark', '\ufeff{}'),
  refused('a bare control character', '{"user":"\u0001"}'),
  refused('markup', '<user/>'),
  refused('a form', 'user[email]=a%40b&user[password]=x'),
  refused('10,000 arrays deep', deepArrays),
  refused('10,000 objects deep', deepObjects),
  refused('10,000 open brackets', '['.repeat(DEEP)),
  refused('everything under __proto__', '{"__proto__":{"user":{},"article":{},"comment":{"body":"x"}}}'),
  refused('everything under constructor', '{"constructor":{"prototype":{"user":{}}}}'),
];

export const forContentType: readonly Hostile[] = [
  refused('plain text', 'text/plain'),
  refused('a form', 'application/x-www-form-urlencoded'),
  refused('a multipart form', 'multipart/form-data; boundary=x'),
  refused('XML', 'application/xml'),
  refused('a binary', 'application/octet-stream'),
  refused('no type', 'garbage'),
  refused('almost JSON', 'application/jsonx'),
  perhaps('UTF-16', 'application/json; charset=utf-16'),
  perhaps('a parameter without a value', 'application/json; charset'),
  perhaps('many parameters', `application/json${'; a=b'.repeat(200)}`),
];

/** For a text parameter of the path. */
export const forPathText: readonly Hostile[] = [
  refused('U+0000', '%00'),
  refused('U+0000 in text', 'some%00text'),
  refused('a bare percent sign', '%'),
  refused('half an escape', '%4'),
  refused('no hexadecimal', '%zz'),
  refused('a byte that is not UTF-8', '%ff'),
  refused('an overlong slash', '%c0%af'),
  refused('a surrogate in UTF-8', '%ed%a0%80'),
  refused('a cut sequence', '%f0%9f%90'),
  refused('a slash', 'a%2fb'),
  refused('path steps', '%2e%2e%2f%2e%2e'),
  refused('a line end', 'a%0d%0aset-cookie:%20a=b'),
  refused('10,000 characters', 'x'.repeat(10_000)),
  refused('10,000 escapes', '%41'.repeat(3_000)),
  // A name that somebody may have.
  perhaps('__proto__', '__proto__'),
  perhaps('constructor', 'constructor'),
  refused('toString', 'toString'),
  refused('emoji', '%F0%9F%90%A6%F0%9F%AA%BA'),
  refused('right-to-left text', '%D7%90%D7%91'),
  refused('SQL', "x'%20OR%20'1'='1"),
  refused('a pattern', '%25'),
  refused('an asterisk', '*'),
  refused('a template', '{slug}'),
  refused('a colon', ':slug'),
  refused('a UUID', '018f4f4e-0000-7000-8000-000000000000'),
  refused('no suffix', 'no-suffix-here'),
  refused('a suffix of zeros', 'a-0000000000000'),
  refused('a suffix of the largest letters', 'a-zzzzzzzzzzzzz'),
  refused('letters that base32 leaves out', 'a-iloulioulioul'),
  refused('a suffix alone', '0123456789abc'),
  refused('capitals', 'A-0123456789ABC'),
  refused('dashes', '-------------------'),
];

/** For a number in the path. */
export const forPathInteger: readonly Hostile[] = [
  refused('a word', 'first'),
  refused('a negative number', '-1'),
  refused('zero', '0'),
  refused('a fraction', '1.5'),
  refused('an exponent', '1e9'),
  refused('a hexadecimal number', '0x1'),
  refused('beyond 32 bits', '2147483648'),
  refused('beyond 2^53', '9007199254740993'),
  refused('beyond 64 bits', '99999999999999999999'),
  refused('1,000 digits', '9'.repeat(1_000)),
  refused('NaN', 'NaN'),
  refused('Infinity', 'Infinity'),
  refused('other digits', '%D9%A1'),
  refused('U+0000', '1%00'),
  refused('a bare percent sign', '%'),
  refused('a list', '1,2'),
  refused('__proto__', '__proto__'),
];

/** For `limit` and `offset`: what comes after the equals sign. */
export const forQueryInteger: readonly Hostile[] = [
  refused('nothing', ''),
  refused('a word', 'many'),
  refused('a negative number', '-1'),
  refused('a fraction', '1.5'),
  refused('an exponent', '1e1'),
  refused('a hexadecimal number', '0x10'),
  refused('beyond 32 bits', '2147483648'),
  refused('beyond 2^53', '9007199254740993'),
  refused('1,000 digits', '9'.repeat(1_000)),
  refused('NaN', 'NaN'),
  refused('Infinity', 'Infinity'),
  refused('null', 'null'),
  refused('a list', '1,2'),
  refused('an array', '[1]'),
  refused('other digits', '%D9%A1'),
  refused('a number with U+0000', '1%00'),
  refused('a number with a blank', '1%20'),
  refused('a plus sign', '%2B1'),
];

/** For a text filter. */
export const forQueryText: readonly Hostile[] = [
  refused('U+0000', '%00'),
  refused('U+0000 in text', 'some%00text'),
  perhaps('nothing', ''),
  perhaps('a bare percent sign', '%'),
  perhaps('no hexadecimal', '%zz'),
  perhaps('bytes that are not UTF-8', '%ff%fe'),
  perhaps('a surrogate in UTF-8', '%ed%a0%80'),
  perhaps('emoji', '%F0%9F%90%A6'),
  perhaps('right-to-left text', '%D7%90%D7%91'),
  perhaps('SQL', "x'%20OR%20'1'='1"),
  perhaps('a pattern', '%25_'),
  perhaps('5,000 characters', 'x'.repeat(5_000)),
  perhaps('__proto__', '__proto__'),
  perhaps('an object', '[object%20Object]'),
];

/** Whole query strings that no operation knows. */
export const forQueryString: readonly Hostile[] = [
  perhaps('__proto__', '__proto__=x'),
  perhaps('__proto__ in brackets', '__proto__[limit]=1&constructor[prototype][a]=1'),
  perhaps('constructor', 'constructor=x&toString=y&hasOwnProperty=z'),
  perhaps('U+0000 as a value', 'x=%00'),
  perhaps('U+0000 as a name', '%00=x'),
  perhaps('U+0000 under __proto__', '__proto__=%00'),
  perhaps('no names', '=&==&&&?'),
  perhaps('broken escapes', '%=%&%zz=%zz&%ff=%ff'),
  perhaps('1,000 parameters', Array.from({ length: 1_000 }, (_, index) => `p${index}=1`).join('&')),
  perhaps('one name 1,000 times', 'x=1&'.repeat(1_000)),
];
