import assert from 'node:assert/strict';
import { type CfnTemplate, resolve, resourcesOf } from './intrinsics.ts';

/** One allowed pair: an action and a pattern of ARNs. */
export interface Grant {
  readonly action: string;
  readonly resource: string;
}

/** What one call of the AWS API needs. */
export interface Permission {
  readonly action: string;
  readonly arn: string;
}

/** The parts of the system that have a role of their own. */
export const COMPONENTS = ['api', 'dispatcher', 'starter', 'worker', 'task-start'] as const;
export type Component = (typeof COMPONENTS)[number];

interface Statement {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Condition?: unknown;
}

const listOf = <T>(value: T | T[]): T[] => (Array.isArray(value) ? value : [value]);

/** The logical id of a component's role, found from the resource that runs under it. */
function roleOf(template: CfnTemplate, component: Component): string {
  const functions = resourcesOf(template, 'AWS::Lambda::Function');
  const [definition] = resourcesOf(template, 'AWS::Batch::JobDefinition');
  const container = definition?.Properties.ContainerProperties as Record<string, unknown> | undefined;
  const references: Record<Component, unknown> = {
    api: functions.find(({ Properties }) => Properties.PackageType === 'Image')?.Properties.Role,
    dispatcher: functions.find(({ Properties }) => String(Properties.Description).includes('S3 events'))
      ?.Properties.Role,
    starter: functions.find(({ Properties }) => String(Properties.Description).includes('recorded jobs'))
      ?.Properties.Role,
    worker: container?.JobRoleArn,
    'task-start': container?.ExecutionRoleArn,
  };
  const id = (references[component] as { 'Fn::GetAtt'?: string[] } | undefined)?.['Fn::GetAtt']?.[0];
  assert(id, `the template has a role of ${component}`);
  return id;
}

/**
 * All a role is allowed, from its inline policies and those attached to it. The stack uses neither managed policies
 * nor denials nor conditions on its own roles; should it begin to, this fails rather than overlook them.
 */
export function grantsOf(template: CfnTemplate, component: Component): Grant[] {
  const roleId = roleOf(template, component);
  const role = template.Resources[roleId]?.Properties ?? {};
  assert.equal(role.ManagedPolicyArns, undefined, `${component} has no managed policy`);
  const documents = ((role.Policies as { PolicyDocument: unknown }[] | undefined) ?? []).map(
    (policy) => policy.PolicyDocument,
  );
  for (const { Properties } of resourcesOf(template, 'AWS::IAM::Policy')) {
    const roles = Properties.Roles as { Ref?: string }[];
    if (roles.some(({ Ref }) => Ref === roleId)) documents.push(Properties.PolicyDocument);
  }
  return documents.flatMap((document) =>
    (document as { Statement: Statement[] }).Statement.flatMap((statement) => {
      assert.equal(statement.Effect, 'Allow', `${component}: only allowing statements`);
      assert.equal(statement.Condition, undefined, `${component}: no conditions`);
      const resources = listOf(statement.Resource).map((resource) => resolve(resource, template));
      return listOf(statement.Action).flatMap((action) =>
        resources.map((resource) => ({ action, resource })),
      );
    }),
  );
}

/** IAM's wildcards: `*` for any run of characters, slashes too, `?` for one. */
export function matches(pattern: string, text: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 's').test(text);
}

/** Whether a grant covers a permission. Actions are compared without regard to case, as IAM does. */
export function covers(grant: Grant, { action, arn }: Permission): boolean {
  return matches(grant.action.toLowerCase(), action.toLowerCase()) && matches(grant.resource, arn);
}

/** Fails, naming what is missing, unless the component's role may do `action` on `arn`. */
export function assertAllowed(
  template: CfnTemplate,
  component: Component,
  action: string,
  arn: string,
): void {
  const allowed = grantsOf(template, component).some((grant) => covers(grant, { action, arn }));
  assert(allowed, `${component} may ${action} on ${arn}`);
}

/** Fails unless the component's role may not. */
export function assertRefused(
  template: CfnTemplate,
  component: Component,
  action: string,
  arn: string,
): void {
  const grant = grantsOf(template, component).find((candidate) => covers(candidate, { action, arn }));
  assert(!grant, `${component} may not ${action} on ${arn}, but has ${JSON.stringify(grant)}`);
}
