// The TypeScript SDK 1.x: node sdk1.mjs http URL | stdio PROGRAM
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { lookAround } from './looks.mjs';

const [way, target] = process.argv.slice(2);
const transport =
  way === 'http'
    ? new StreamableHTTPClientTransport(new URL(target))
    : new StdioClientTransport({ command: target, args: ['stdio', '--demo'] });
const client = new Client({ name: 'peer', version: '1' });
await client.connect(transport);
const { tools } = await client.listTools();
await lookAround(tools, (name, args) => client.callTool({ name, arguments: args }, undefined, { onprogress: () => {} }));
await client.close();
