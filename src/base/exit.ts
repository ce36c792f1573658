/** Exit codes of sysexits.h, which every command and process uses. */
export const EX_OK = 0;
export const EX_USAGE = 64; // the command line is wrong
export const EX_DATAERR = 65; // the input is wrong, e.g. a malformed queue id
export const EX_NOINPUT = 66; // an input file cannot be read
export const EX_NOUSER = 67; // no such user or recipient
export const EX_NOHOST = 68; // no such host or domain
export const EX_UNAVAILABLE = 69; // a service that is needed does not run
export const EX_SOFTWARE = 70; // an error of ours
export const EX_CANTCREAT = 73; // a file cannot be made
export const EX_IOERR = 74; // reading or writing failed
export const EX_TEMPFAIL = 75; // try again later; nothing was changed
export const EX_NOPERM = 77; // not allowed
export const EX_CONFIG = 78; // the configuration is wrong
