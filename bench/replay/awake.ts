/**
 * Keeps its core busy with what anybody else may interrupt: a host gives the core of a virtual machine that halts to others, and
 * then whoever measures on an idle core waits longer than on a busy one.
 */
const turn = (): void => {
  setImmediate(turn);
};
turn();
process.on('disconnect', () => process.exit(0));
