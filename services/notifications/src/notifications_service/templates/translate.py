"""Between the messages of templates and the words of the domain. Pure, both ways."""

from __future__ import annotations

from notifications_service.templates.model import Rendered, Template, Variable
from tenantmesh.notifications.v1 import template_pb2


def template_to(template: Template) -> template_pb2.Template:
    """A template as callers see it."""
    return template_pb2.Template(
        template_id=template.template_id,
        description=template.description,
        category=template_pb2.TemplateCategory.Value(f"TEMPLATE_CATEGORY_{template.category.name}"),
        variables=map(_variable_to, template.variables),
        languages=template.languages,
        overridden=template.overridden,
        problem=str(template.problem or "")[:512],
    )


def preview_to(rendered: Rendered) -> template_pb2.PreviewTemplateResponse:
    """What would be sent, as callers see it."""
    return template_pb2.PreviewTemplateResponse(
        subject=rendered.subject, html=rendered.html, text=rendered.text, language=rendered.language
    )


def _variable_to(variable: Variable) -> template_pb2.TemplateVariable:
    return template_pb2.TemplateVariable(
        name=variable.name,
        description=variable.description,
        required=variable.required,
        confidential=variable.confidential,
        sample=variable.sample,
    )
