import * as budgets from 'aws-cdk-lib/aws-budgets';
import type { Construct } from 'constructs';
import type { Parameters } from './parameters.ts';

/** Percent of the budget at which `alarmEmail` is notified: actual and forecast spending. */
const SPENT = 80;
const EXPECTED = 100;

/**
 * A monthly budget of the whole account, if `monthlyBudgetUsd` is set. A budget of the stack alone would need cost
 * allocation tags, which only the account's owner can activate.
 */
export function addBudget(
  scope: Construct,
  { monthlyBudgetUsd, alarmEmail }: Pick<Parameters, 'monthlyBudgetUsd' | 'alarmEmail'>,
): void {
  if (monthlyBudgetUsd === undefined || alarmEmail === undefined) return;
  const notify = (notificationType: 'ACTUAL' | 'FORECASTED', threshold: number) => ({
    notification: {
      notificationType,
      comparisonOperator: 'GREATER_THAN',
      threshold,
      thresholdType: 'PERCENTAGE',
    },
    subscribers: [{ subscriptionType: 'EMAIL', address: alarmEmail }],
  });
  new budgets.CfnBudget(scope, 'Budget', {
    budget: {
      budgetType: 'COST',
      timeUnit: 'MONTHLY',
      budgetLimit: { amount: monthlyBudgetUsd, unit: 'USD' },
    },
    notificationsWithSubscribers: [notify('ACTUAL', SPENT), notify('FORECASTED', EXPECTED)],
  });
}
