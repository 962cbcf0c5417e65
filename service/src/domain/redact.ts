/**
 * A text of AWS as clients may read it: without ARNs and account numbers, which name roles and accounts.
 */
export function withoutIdentifiers(text: string): string {
  return text.replace(/\barn:aws[^\s"',;()]*/g, '<arn>').replace(/\b\d{12}\b/g, '<account>');
}
