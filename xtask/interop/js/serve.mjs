// Serves an app on a free port, and prints its address when it is known.

import { createServer } from 'node:http';

export function serve(build) {
  const server = createServer();
  server.listen(0, '127.0.0.1', () => {
    const url = `http://127.0.0.1:${server.address().port}`;
    server.on('request', build(url));
    console.log(url);
  });
}
