import type { AnyEventDefinition } from './define-event.js';
import { eventsErrors } from '../events.errors.js';

/** The events a site knows, by type. */
export class EventRegistry {
  private readonly byType = new Map<string, AnyEventDefinition>();

  constructor(definitions: readonly AnyEventDefinition[]) {
    for (const definition of definitions) {
      const other = this.byType.get(definition.type);
      if (other && other !== definition) {
        throw eventsErrors.create('BAD_DEFINITION', {
          data: { type: definition.type, reason: 'it is defined twice' },
        });
      }
      this.byType.set(definition.type, definition);
    }
  }

  get all(): readonly AnyEventDefinition[] {
    return [...this.byType.values()];
  }

  find(type: string): AnyEventDefinition | undefined {
    return this.byType.get(type);
  }

  has(definition: AnyEventDefinition): boolean {
    return this.byType.get(definition.type) === definition;
  }
}
