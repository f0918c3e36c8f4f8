"""Development chains: a Bitcoin regtest node, anvil with a test token, and the wallets of a resident who pays.

Nothing here runs in production, and nothing here imports the gateway's apps. Private keys are allowed in this
package alone: it plays the resident, never the operator.
"""
