// needs: kafka
import { wrongIn } from '@rookery/events/testing';
import { faults } from '../invariants/every-fault.js';
import { describeFaults } from '../invariants/suite.js';

describeFaults('kafka', (stand) => {
  it('unless there is no inbox: what was not yet committed when a replica was killed is applied twice', async () => {
    const killed = faults.find(({ name }) => name === 'replica-killed')!;
    const report = await stand().run(killed, { withoutInbox: true });
    expect(wrongIn(report)).toMatch(/^under replica-killed, of \d+ events: 0 lost, [1-9]\d* applied twice/);
  });
});
