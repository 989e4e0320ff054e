"""Control of a journal's runs from other processes: commands, served by its owner, or done under its lock."""
