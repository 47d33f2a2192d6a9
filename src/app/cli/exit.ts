/** What the program ends with: 1 is a failure of ours or of something we need, 2 the operator's mistake. */
export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
export const EXIT_USER = 2;
