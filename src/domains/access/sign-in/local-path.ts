/** A path of this server to go on to; anything that could lead elsewhere becomes the sign-in page itself. */
export function localPath(path: string | undefined): string {
  if (path === undefined || !/^\/(?![/\\])[^\\\u0000-\u001f\u007f]*$/.test(path) || path.length > 1500) return '/login';
  // As browsers read it: "/.//evil.example" must stay here too.
  const url = new URL(path, 'http://gyre.invalid');
  const kept = url.pathname + url.search + url.hash;
  return url.host === 'gyre.invalid' && !kept.startsWith('//') ? kept : '/login';
}
