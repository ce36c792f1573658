/** What --help says. */
export const HELP = `sces-sendmail [flags] [recipient...] < message
  hands in a message as sendmail does; also while the mail system is stopped

  -t            recipients from To, Cc and Bcc of the header, besides those named; Bcc is not sent on
  -i, -oi       a line that is a lone dot does not end the message
  -f ADDRESS    the sender (also -r); <> for none. Default: the user who calls
  -F NAME       the sender's name, if a From field has to be made
  -N WORDS      never, or some of success,failure,delay: when the sender wants to hear of it
  -R full|hdrs  how much of the message comes back with a report
  -V ID         the envelope id that reports name
  -v            says under what name the message was handed in
  -C, -c DIR    the directory of main.cf
  -bm           this (the default)
  -bp           prints the queue, as sces-queue list does
  -bs           an SMTP session on standard input and output, with the running system
  -q            tries deferred mail now; -qIID: one message; -qRDOMAIN: mail for a domain
  -A -B -G -L -O -P -U -X -d -e -h -m -n -o -p -x  are taken and mean nothing

Exit status: 0 handed in, 64 wrong usage, 65 bad sender, header or data, 67 bad recipient, 69 too large or no spool,
75 try again later, 77 no right to write to drop, 78 bad configuration. Unless it is 0, nothing was sent.
`;
