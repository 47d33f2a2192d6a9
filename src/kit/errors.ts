/** An error whose message is meant for the operator: what was wrong and what would be right. Exits without a stack. */
export class UserError extends Error {
  override readonly name: string = 'UserError';
}
