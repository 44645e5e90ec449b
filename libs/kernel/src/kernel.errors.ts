import { defineErrors } from './errors.js';

export const kernelErrors = defineErrors('KERNEL', {
  BAD_ID: { status: 400, message: 'not an id of this cluster: {id}' },
  BAD_SLOT: { status: 500, message: 'a slot is an integer from 0 to 4095, not {slot}' },
  BAD_TIME: { status: 500, message: 'the time of an id is whole milliseconds since 1970, not {at}' },
  DEADLINE_EXCEEDED: {
    status: 504,
    message: 'the deadline of {budgetMs} ms passed while {during}',
    retryable: true,
  },
  TURN_OVERRAN: { status: 500, message: 'a turn of the loop {loop} took longer than {limitMs} ms' },
});
