"""A mail server that keeps every mail and shows it: nothing sent to it reaches anybody."""

from localstack.mailsink.mailbox import Mail, Mailbox
from localstack.mailsink.pages import pages
from localstack.mailsink.smtp import receiving

__all__ = ["Mail", "Mailbox", "pages", "receiving"]
