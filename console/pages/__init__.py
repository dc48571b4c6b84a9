"""The dashboard: pages that a server draws, which need no script to be read or acted on."""

from console.pages.routes import router as router
