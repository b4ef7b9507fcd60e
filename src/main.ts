import { program } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import { copyCommand } from './commands/copy.ts'
import { rebuildCommand } from './commands/rebuild.ts'
import { startCommand } from './commands/start.ts'
import { trafficCommand } from './commands/traffic.ts'
import { verifyCommand } from './commands/verify.ts'

await program
  .name('ledger')
  .description(packageJson.description)
  .version(packageJson.version)
  .addCommand(startCommand())
  .addCommand(rebuildCommand())
  .addCommand(trafficCommand())
  .addCommand(verifyCommand())
  .addCommand(copyCommand())
  .parseAsync()
