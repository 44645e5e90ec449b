import { AuthorizationHeader } from './authorization-header.js';

describe('AuthorizationHeader', () => {
  const header = new AuthorizationHeader(['Token', 'Bearer']);

  it.each(['Token abc', 'Bearer abc', 'token abc', 'BEARER  abc ', 'Token   abc'])('reads %p', (text) => {
    expect(header.tokenOf(text)).toBe('abc');
  });

  it.each([
    undefined,
    '',
    'Token',
    'Token ',
    'Basic abc',
    'abc',
    ' Token abc',
    'TokenBearer abc',
    ['Token abc'],
    'constructor abc',
  ])('finds no token in %p', (text) => {
    expect(header.tokenOf(text)).toBeUndefined();
  });
});
