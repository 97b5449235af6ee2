"""Messages to people."""

from __future__ import annotations

import grpc
from temporalio import activity

from tenantmesh.notifications.v1 import delivery_pb2 as pb
from tenantmesh.notifications.v1 import notification_service_pb2_grpc as rpc


class Notifications:
    """Calls of the notifications service."""

    QUEUE = "notifications"

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Call over this channel."""
        self._notifications = rpc.NotificationServiceStub(channel)

    @activity.defn
    async def send_notification(self, request: pb.SendNotificationRequest) -> pb.SendNotificationResponse:
        """Send one message."""
        return await self._notifications.SendNotification(request)
