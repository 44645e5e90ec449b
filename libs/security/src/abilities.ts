import { createMongoAbility, type MongoAbility, type MongoQuery, type RawRuleOf } from '@casl/ability';
import { securityErrors } from './security.errors.js';

/** What can be acted on: each subject type with the fields that its rules may ask about. */
export type SubjectTypes<S> = { readonly [Type in keyof S]: object };

/** Adds a rule: these actions, on this subject type, where the object meets all the conditions (MongoDB's operators). */
export type AddRule<Action extends string, S extends SubjectTypes<S>> = <Type extends keyof S & string>(
  actions: Action | readonly Action[],
  type: Type,
  conditions?: MongoQuery<S[Type]>,
) => void;

/**
 * What one viewer may do. Deliberately without a question about a type alone: whether "articles can be updated" says
 * nothing about this article (OWASP API1:2023, broken object level authorization).
 */
export interface Abilities<Action extends string, S extends SubjectTypes<S>> {
  can<Type extends keyof S & string>(action: Action, type: Type, object: S[Type]): boolean;
}

/**
 * Declares what a viewer may do; all else is forbidden, and a later rule wins over an earlier one.
 *
 *     defineAbilities<'update' | 'delete', { article: { authorId: Id } }>(({ can }) => {
 *       if (viewerId !== undefined) can(['update', 'delete'], 'article', { authorId: viewerId });
 *     });
 *
 * @throws RK_SECURITY_BAD_ABILITY for a condition whose value is undefined: it would match objects that lack the field
 */
export function defineAbilities<Action extends string, S extends SubjectTypes<S>>(
  define: (rules: { can: AddRule<Action, S>; cannot: AddRule<Action, S> }) => void,
): Abilities<Action, S> {
  const rules: RawRuleOf<MongoAbility>[] = [];
  const rule =
    (inverted: boolean): AddRule<Action, S> =>
    (actions, type, conditions) => {
      if (conditions !== undefined) refuseUndefined(conditions, type);
      rules.push({ action: [actions].flat(), subject: type, conditions, inverted });
    };
  define({ can: rule(false), cannot: rule(true) });
  const ability = createMongoAbility(rules);
  return {
    // The rules are asked by name instead of by CASL's subject(), which writes the type into the object.
    can: (action, type, object) =>
      ability.rulesFor(action, type).find((each) => each.matchesConditions(object))?.inverted === false,
  };
}

/** @throws RK_SECURITY_FORBIDDEN whose `data.subject` is the subject type and `data.action` the action */
export function authorize<Action extends string, S extends SubjectTypes<S>, Type extends keyof S & string>(
  abilities: Abilities<Action, S>,
  action: Action,
  type: Type,
  object: S[Type],
): void {
  if (abilities.can(action, type, object)) return;
  throw securityErrors.create('FORBIDDEN', { data: { action, subject: type } });
}

function refuseUndefined(conditions: object, type: string): void {
  for (const [field, value] of Object.entries(conditions)) {
    if (value === undefined) throw securityErrors.create('BAD_ABILITY', { data: { field, subject: type } });
    if (typeof value === 'object' && value !== null) refuseUndefined(value, type);
  }
}
