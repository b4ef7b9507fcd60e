import { program } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import { startCommand } from './commands/start.ts'
import { trafficCommand } from './commands/traffic.ts'

await program
  .name('ledger')
  .description(packageJson.description)
  .version(packageJson.version)
  .addCommand(startCommand())
  .addCommand(trafficCommand())
  .parseAsync()
