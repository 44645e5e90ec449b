import { newId, type Id } from '@rookery/kernel';
import { authorize, defineAbilities } from './abilities.js';
import { securityErrors } from './security.errors.js';

interface Subjects {
  article: { authorId: Id; locked?: boolean };
  comment: { authorId: Id };
}
type Action = 'read' | 'update' | 'delete';

const [ann, ben] = [newId(1), newId(2)];
const abilitiesOf = (viewerId: Id | undefined) =>
  defineAbilities<Action, Subjects>(({ can, cannot }) => {
    can('read', 'article');
    if (viewerId === undefined) return;
    can(['update', 'delete'], 'article', { authorId: viewerId });
    can('delete', 'comment', { authorId: viewerId });
    cannot('update', 'article', { locked: true });
  });

describe('abilities', () => {
  it('are checked on the object: the author may, another may not, nobody may', () => {
    const article = Object.freeze({ authorId: ann });
    expect(abilitiesOf(ann).can('update', 'article', article)).toBe(true);
    expect(abilitiesOf(ben).can('update', 'article', article)).toBe(false);
    expect(abilitiesOf(undefined).can('update', 'article', article)).toBe(false);
    expect(abilitiesOf(undefined).can('read', 'article', article)).toBe(true);
  });

  it('forbid what no rule allows, and what a later rule takes back', () => {
    expect(abilitiesOf(ann).can('update', 'comment', { authorId: ann })).toBe(false);
    expect(abilitiesOf(ann).can('read', 'comment', { authorId: ann })).toBe(false);
    expect(abilitiesOf(ann).can('update', 'article', { authorId: ann, locked: true })).toBe(false);
    expect(abilitiesOf(ann).can('delete', 'article', { authorId: ann, locked: true })).toBe(true);
  });

  it('authorize says what was forbidden on what', () => {
    expect(() => authorize(abilitiesOf(ann), 'delete', 'comment', { authorId: ann })).not.toThrow();
    let failure: unknown;
    try {
      authorize(abilitiesOf(ben), 'delete', 'comment', { authorId: ann });
    } catch (error) {
      failure = error;
    }
    expect(securityErrors.is(failure, 'FORBIDDEN')).toBe(true);
    expect(failure).toMatchObject({
      status: 403,
      message: 'not allowed to delete this comment',
      data: { action: 'delete', subject: 'comment' },
    });
  });

  it('refuse a condition without a value, which would match every object that lacks the field', () => {
    const rule = (condition: object) => () =>
      defineAbilities<'read', { page: { ownerId?: Id } }>(({ can }) => can('read', 'page', condition));
    expect(rule({ ownerId: ann })).not.toThrow();
    for (const each of [{ ownerId: undefined }, { ownerId: { $eq: undefined } }]) {
      expect(rule(each)).toThrow(/has no value/);
    }
  });
});
