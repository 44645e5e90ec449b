import { planSlots, slotsIn, type Slot } from './slots.js';

const slot = (n: number, address: string, state: Slot['state']): Slot => ({
  name: `replica${n}`,
  address,
  state,
});
const peer = (address: string, draining = false) => ({ id: address, address, draining });

describe('slots of HAProxy', () => {
  it('are read by the names of the columns, and by what was forced, not by what was configured', () => {
    const answer = [
      '1',
      '# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_port',
      '3 conduit 1 replica1 127.0.0.1 2 4 3000',
      '3 conduit 2 replica2 127.0.0.1 0 5 1',
      '3 conduit 3 replica3 127.0.0.2 2 8 3001',
      '4 other 1 replica1 127.0.0.3 2 0 3002',
      '',
    ].join('\n');
    expect(slotsIn(answer, 'conduit')).toEqual([
      slot(1, '127.0.0.1:3000', 'ready'),
      slot(2, '127.0.0.1:1', 'maint'),
      slot(3, '127.0.0.2:3001', 'drain'),
    ]);
    expect(slotsIn("Can't find backend.", 'conduit')).toEqual([]);
  });

  it('are kept by whoever has one; who comes gets one that nobody has', () => {
    const slots = [slot(1, 'a:1', 'ready'), slot(2, 'b:1', 'ready'), slot(3, 'x:1', 'maint')];
    expect(planSlots(slots, [peer('a:1'), peer('c:1')])).toEqual([
      slot(3, 'c:1', 'ready'),
      slot(2, 'b:1', 'maint'),
    ]);
    expect(planSlots(slots, [peer('a:1'), peer('b:1', true)])).toEqual([slot(2, 'b:1', 'drain')]);
    expect(planSlots(slots, [peer('a:1'), peer('b:1')])).toEqual([]);
  });

  it('are taken over where there is no other, and refused where there are too few', () => {
    const slots = [slot(1, 'a:1', 'ready'), slot(2, 'b:1', 'ready')];
    expect(planSlots(slots, [peer('c:1'), peer('b:1')])).toEqual([slot(1, 'c:1', 'ready')]);
    expect(planSlots(slots, [peer('a:1'), peer('b:1'), peer('c:1')])).toBeUndefined();
  });

  it('are one for each process of those that share an address, of whom one may drain', () => {
    const slots = [slot(1, 'x:1', 'maint'), slot(2, 'x:2', 'maint'), slot(3, 'x:3', 'maint')];
    expect(planSlots(slots, [peer('a:1'), peer('a:1')])).toEqual([
      slot(1, 'a:1', 'ready'),
      slot(2, 'a:1', 'ready'),
    ]);
    const two = [slot(1, 'a:1', 'drain'), slot(2, 'a:1', 'ready'), slot(3, 'x:3', 'maint')];
    expect(planSlots(two, [peer('a:1'), peer('a:1', true)])).toEqual([]);
    expect(planSlots(two, [peer('a:1', true), peer('a:1', true)])).toEqual([slot(2, 'a:1', 'drain')]);
    expect(planSlots(two, [peer('a:1')])).toEqual([slot(1, 'a:1', 'maint')]);
  });

  it('of a replica that was taken out before are not mistaken for its own while they are in maintenance', () => {
    expect(planSlots([slot(1, 'a:1', 'maint')], [peer('a:1')])).toEqual([slot(1, 'a:1', 'ready')]);
  });
});
