/** uWebSockets.js itself, which answers prepared bytes. */
import uws from 'uWebSockets.js';
import { answerCpu } from './cpu.js';
import { BODY } from './sample.js';

const bytes = Buffer.from(BODY);
uws
  .App()
  .get('/*', (res) => {
    res.cork(() => {
      res.writeHeader('content-type', 'application/json;charset=UTF-8').end(bytes);
    });
  })
  .listen('127.0.0.1', 0, (socket) => {
    if (socket === false) throw new Error('cannot listen');
    process.send?.({ re: 'ready', port: uws.us_socket_local_port(socket) });
  });
answerCpu();
