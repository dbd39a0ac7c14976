"""The spine that every service is built on."""
